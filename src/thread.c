/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "thread.h"

#include <signal.h>

static _Thread_local enum thread_role role;

void
thread_become(enum thread_role r)
{
	CHECK(role == THREAD_NONE);
	role = r;
}

enum thread_role
thread_role(void)
{
	return role;
}

int
thread_start(pthread_t *tid, const char *name, void *(*run)(void *), void *arg)
{
	sigset_t all, old;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(tid, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error == 0)
		pthread_setname_np(*tid, name);
	return error;
}
