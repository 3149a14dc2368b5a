/* memory.c - see memory.h. */
#include "base/memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

/* A number in a file of the kernel's; UINT64_MAX if there is none ("max"). */
static uint64_t kernel_number(const char *path)
{
    unsigned long long value;
    FILE              *f = fopen(path, "re");
    const bool         found = f && fscanf(f, "%llu", &value) == 1;

    if (f) fclose(f);
    return found ? value : UINT64_MAX;
}

/* What the system can give without pushing others out. */
static uint64_t system_memory(void)
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

uint64_t ds_memory_available(void)
{
    const uint64_t system = system_memory(), limit = kernel_number("/sys/fs/cgroup/memory.max");
    const uint64_t used = limit == UINT64_MAX ? 0 : kernel_number("/sys/fs/cgroup/memory.current");
    const uint64_t group = used < limit ? limit - used : 0;

    return group < system ? group : system;
}
