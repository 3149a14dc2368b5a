/* memory.h - how much memory the machine could still give. */
#ifndef DS_BASE_MEMORY_H
#define DS_BASE_MEMORY_H

#include <stdint.h>

/* Memory that can still be had without pushing others out, in bytes; within the control group's
 * limit: a container is ended for what the system would still give. */
uint64_t ds_memory_available(void);

#endif
