/* SPDX-License-Identifier: ISC */
/*
 * collapse - which message is the newest of its collapse key, for all devices:
 * an older one that its device does not have yet is not worth sending.  (Web
 * push, RFC 8030 5.4, calls the key a topic.)
 * Thread: broker; pure.  Owns: its memory, about a hundred bytes for each key of
 * a device.
 */
#ifndef MPUSHD_COLLAPSE_H
#define MPUSHD_COLLAPSE_H

#include <stddef.h>
#include <stdint.h>

#include "handle.h"

struct collapse;

/* Make an empty one.  NULL: no memory. */
struct collapse *collapse_new(void);

/* Free it and set the pointer to NULL. */
void collapse_free(struct collapse **);

/*
 * The message MID of a device is the newest of KEY, which is not 0, unless a
 * newer one is known.  Without memory nothing is remembered.
 */
void collapse_set(struct collapse *, struct devref, uint64_t key, uint64_t mid);

/* The mid of the newest message of a device's key; 0: none is known. */
uint64_t collapse_get(const struct collapse *, struct devref, uint64_t key);

/* How many keys are known, of all devices. */
size_t collapse_count(const struct collapse *);

/* The message MID is gone; no effect if it is not the newest of KEY. */
void
collapse_unset(struct collapse *, struct devref, uint64_t key, uint64_t mid);

#endif
