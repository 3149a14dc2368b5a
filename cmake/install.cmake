# What `make install` puts where. The program finds its demo model beside itself, and the packages find the
# library relative to their own place, so an installed tree may be moved.
install(TARGETS dsv4 EXPORT dsv4Targets)
install(DIRECTORY include/dsv4 DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(DSV4_PROGRAM)
  install(TARGETS dsv4_program)
  install(TARGETS dsv4_check DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/dsv4)
  install(FILES doc/dsv4.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES src/cli/completion/dsv4.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME dsv4)
  install(FILES src/cli/completion/dsv4.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _dsv4)
  install(FILES src/cli/completion/dsv4.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
  install(DIRECTORY demo DESTINATION ${CMAKE_INSTALL_DATADIR}/dsv4)
endif()
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

# find_package(dsv4) gives dsv4::dsv4
include(CMakePackageConfigHelpers)
set(DS_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/dsv4)
configure_package_config_file(cmake/dsv4Config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/dsv4Config.cmake
                              INSTALL_DESTINATION ${DS_PACKAGE_DIR})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/dsv4ConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/dsv4Config.cmake ${CMAKE_CURRENT_BINARY_DIR}/dsv4ConfigVersion.cmake
        DESTINATION ${DS_PACKAGE_DIR})
install(EXPORT dsv4Targets NAMESPACE dsv4:: DESTINATION ${DS_PACKAGE_DIR})

# pkg-config dsv4; a static library brings its needs along openly, a shared one keeps them to itself
set(DS_PC_PRIVATE .private)
set(DS_PC_LIBS "")
if(NOT BUILD_SHARED_LIBS)
  set(DS_PC_PRIVATE "")
  set(DS_PC_LIBS " -pthread -lm")
endif()
file(RELATIVE_PATH DS_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" DS_PC_PREFIX "${DS_PC_PREFIX}")
configure_file(cmake/dsv4.pc.in ${CMAKE_CURRENT_BINARY_DIR}/dsv4.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/dsv4.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
