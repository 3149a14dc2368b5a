/* test.h - cmocka with the includes it needs, and the paths of the source and build trees. */
#ifndef DS_TEST_H
#define DS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A path inside the source tree, of a file that the tests ship. */
#define TEST_PATH(relative) DSV4_ROOT "/" relative

#endif
