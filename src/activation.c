/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "activation.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Returns a number from 1 to MAX, or -1. */
static int
activation_number(const char *text, int max)
{
	const char *fault;
	long long n = strtonum(text, 1, max, &fault);

	return fault == NULL ? (int)n : -1;
}

int
activation_count(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int n;

	/* Meant for somebody else, and passed on by him. */
	if (pid == NULL || fds == NULL ||
	    activation_number(pid, INT_MAX) != getpid())
		return 0;
	n = activation_number(fds, ACTIVATION_MAX);
	if (n == -1)
		errno = EINVAL;
	return n;
}

bool
activation_is_named(size_t i, const char *name)
{
	const char *names = getenv("LISTEN_FDNAMES");
	size_t len = strlen(name);

	for (; names != NULL && i > 0; i--) {
		names = strchr(names, ':');
		if (names != NULL)
			names++;
	}
	return names != NULL && strcspn(names, ":") == len &&
	       memcmp(names, name, len) == 0;
}
