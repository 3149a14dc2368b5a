# What dsv4_version() and dsv4_build_info() say; for one file, so that a new commit rebuilds only it.
set(DS_COMMIT unknown)
find_program(GIT git)
if(GIT AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/.git)
  execute_process(COMMAND ${GIT} describe --always --dirty --abbrev=12 --exclude=*
                  WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
                  OUTPUT_VARIABLE DS_DESCRIBED OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(DS_DESCRIBED)
    set(DS_COMMIT ${DS_DESCRIBED})
  endif()
endif()

string(TOUPPER "${CMAKE_BUILD_TYPE}" DS_TYPE)
string(STRIP "${CMAKE_C_FLAGS} ${CMAKE_C_FLAGS_${DS_TYPE}}" DS_FLAGS)
foreach(kind SAN TSAN FUZZ)
  if(DSV4_${kind})
    string(APPEND DS_FLAGS " (${kind})")
  endif()
endforeach()

set(DS_GPU none)

set_source_files_properties(src/base/version.c PROPERTIES COMPILE_DEFINITIONS
  "DS_VERSION=\"${PROJECT_VERSION}\";DS_COMMIT=\"${DS_COMMIT}\";DS_FLAGS=\"${DS_FLAGS}\";DS_ISA=\"${DSV4_ISA}\";DS_GPU=\"${DS_GPU}\"")
