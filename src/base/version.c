/* version.c - what this build is. The build system defines DS_VERSION, DS_COMMIT, DS_FLAGS, DS_ISA and
 * DS_GPU for this file alone. */
#include "dsv4/status.h"

#if defined(__clang__)
#define DS_COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define DS_COMPILER "gcc " __VERSION__
#else
#define DS_COMPILER "unknown"
#endif

const char *dsv4_version(void)
{
    return DS_VERSION;
}

const char *dsv4_build_info(void)
{
    return "commit: " DS_COMMIT "\n"
           "compiler: " DS_COMPILER "\n"
           "flags: " DS_FLAGS "\n"
           "instruction sets: " DS_ISA "\n"
           "gpu targets: " DS_GPU;
}
