/* SPDX-License-Identifier: ISC */
/*
 * pipe - a bounded lock-free queue of pointers from one thread to another
 * (single producer, single consumer).
 * Thread: pipe_put the producer's, pipe_get, pipe_peek and pipe_ready the
 * consumer's; pipe_depth any; pipe_new and pipe_free while no other thread knows it.
 * Owns: the ring, not what the pointers in it point to.
 */
#ifndef MPUSHD_PIPE_H
#define MPUSHD_PIPE_H

#include <stdbool.h>
#include <stddef.h>

struct pipe;

/* Make a pipe of CAPACITY pointers, a power of two.  NULL: no memory. */
struct pipe *pipe_new(size_t capacity);

/* Free a pipe, which must be empty, and set the pointer to NULL. */
void pipe_free(struct pipe **);

/* Put one pointer, not NULL, in.  False: full, nothing was done. */
bool pipe_put(struct pipe *, void *);

/* Take the oldest pointer out; NULL when there is none. */
void *pipe_get(struct pipe *);

/* What pipe_get would return, without taking it out. */
void *pipe_peek(struct pipe *);

/* True when pipe_get would return one. */
bool pipe_ready(struct pipe *);

/* How many pointers are in it, about; any thread. */
size_t pipe_depth(struct pipe *);

#endif
