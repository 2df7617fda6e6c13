/* SPDX-License-Identifier: ISC */
/*
 * activation - the sockets that a service manager has opened for us, as
 * sd_listen_fds(3) has it: LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES.
 * Thread: the main thread.
 * Limits: ACTIVATION_MAX sockets.
 */
#ifndef MPUSHD_ACTIVATION_H
#define MPUSHD_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>

#define ACTIVATION_FIRST 3 /* the first descriptor */
#define ACTIVATION_MAX   64

/*
 * How many descriptors were passed to this process, from ACTIVATION_FIRST on;
 * 0: none.  -1 when the environment does not say so in a way that can be,
 * with errno.
 */
int activation_count(void);

/* True when the manager calls the I-th of them NAME. */
bool activation_is_named(size_t i, const char *name);

#endif
