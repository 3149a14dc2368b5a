/* memory.c - see memory.h. */
#include "base/memory.h"

#include <stdio.h>
#include <unistd.h>

uint64_t ds_memory_available(void)
{
    unsigned long long kib;
    char               line[128];
    FILE              *f = fopen("/proc/meminfo", "re");

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) {
            fclose(f);
            return (uint64_t)kib * 1024;
        }
    if (f) fclose(f);
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 2 : 0;
}
