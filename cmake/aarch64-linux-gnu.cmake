# Toolchain file: 64-bit Arm from another machine, Debian's cross compiler and :arm64 libraries. Tests run under qemu-user.
#
#     cmake -S . -B build-aarch64 -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
# pkg-config files of that architecture and of none, never this machine's own
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
find_program(DSV4_QEMU NAMES qemu-aarch64 qemu-aarch64-static)
if(DSV4_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${DSV4_QEMU})
endif()
