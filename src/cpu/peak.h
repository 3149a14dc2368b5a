/* peak.h - loops that do nothing but what the machine is best at; limits.c times them. */
#ifndef DS_CPU_PEAK_H
#define DS_CPU_PEAK_H

#include <stddef.h>
#include <stdint.h>

/* Independent multiply-add chains, enough to hide their latency: the operations done. */
double ds_peak_scalar(int64_t rounds);
double ds_peak_avx2(int64_t rounds);
double ds_peak_avx512(int64_t rounds);
double ds_peak_avx512bf16(int64_t rounds);

/* Read data[0, size), size a multiple of 512 and aligned to 64, once; the result depends on every byte. */
uint64_t ds_read_scalar(const void *data, size_t size);
uint64_t ds_read_avx2(const void *data, size_t size);
uint64_t ds_read_avx512(const void *data, size_t size);

#endif
