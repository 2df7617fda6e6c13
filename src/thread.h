/* SPDX-License-Identifier: ISC */
/*
 * thread - which of the daemon's threads is running, so that every exported
 * function can assert its own (R8).
 * Thread: any.
 */
#ifndef MPUSHD_THREAD_H
#define MPUSHD_THREAD_H

#include <pthread.h>

#include "check.h"

enum thread_role {
	THREAD_NONE, /* unit tests, fuzzers: every check passes */
	THREAD_ACCEPTOR,
	THREAD_WORKER,
	THREAD_BROKER,
	THREAD_STORE,
};

/* Declare what the calling thread is, for the rest of its life. */
void thread_become(enum thread_role);

/* What the calling thread has declared. */
enum thread_role thread_role(void);

/*
 * Start a thread under NAME (at most 15 characters, for ps and gdb) with
 * every signal blocked.  Returns 0 or an errno.
 */
int thread_start(pthread_t *, const char *name, void *(*)(void *), void *);

/* Assert that the calling thread is ROLE. */
#define THREAD_CHECK(role)                                                     \
	CHECK(thread_role() == (role) || thread_role() == THREAD_NONE)

#endif
