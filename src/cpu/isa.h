/* isa.h - instruction sets that the CPU kernels know, each including those before it. */
#ifndef DS_CPU_ISA_H
#define DS_CPU_ISA_H

typedef enum ds_isa {
    DS_ISA_SCALAR = 0,  /* plain C: any machine */
    DS_ISA_AVX2,        /* AVX2, FMA, F16C */
    DS_ISA_AVX512,      /* AVX-512 F, BW, DQ, VL */
    DS_ISA_AVX512_BF16, /* and BF16, VBMI, VNNI */
    DS_N_ISA
} ds_isa;

const char *ds_isa_name(ds_isa isa); /* "avx512bf16" */

/* The best one of this machine and this build. */
ds_isa ds_isa_here(void);

/* DS_N_ISA if there is none of this name. */
ds_isa ds_isa_from_name(const char *name);

#endif
