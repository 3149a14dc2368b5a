/* list.h - which ops have a variant for which instruction set: <op>_<set>.c in this folder. A variant is one file
 * and one name here. */
#ifndef DS_CPU_X86_LIST_H
#define DS_CPU_X86_LIST_H

#define DS_AVX2_LIST(X) X(linear) X(expert_linear)

#define DS_AVX512_LIST(X) X(linear) X(expert_linear)

#define DS_AVX512_BF16_LIST(X) X(linear) X(expert_linear)

#endif
