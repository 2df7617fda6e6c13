/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "notify.h"

#include <bsd/stdlib.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void
notify_send(const char *state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len;
	int fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@'))
		return;
	len = strlen(path);
	if (len >= sizeof(un.sun_path))
		return;
	memcpy(un.sun_path, path, len);
	if (path[0] == '@')
		un.sun_path[0] = '\0'; /* the abstract namespace */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL,
	    (struct sockaddr *)&un,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

/* A positive number in the environment, or 0. */
static long long
notify_number(const char *name)
{
	const char *text = getenv(name), *fault;
	long long n;

	if (text == NULL)
		return 0;
	n = strtonum(text, 1, LLONG_MAX, &fault);
	return fault == NULL ? n : 0;
}

uint64_t
notify_watchdog(void)
{
	if (getenv("WATCHDOG_PID") != NULL &&
	    notify_number("WATCHDOG_PID") != getpid())
		return 0;
	return (uint64_t)notify_number("WATCHDOG_USEC");
}

void
notify_reloading(void)
{
	struct timespec ts;
	char state[96];

	clock_gettime(CLOCK_MONOTONIC, &ts);
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
	notify_send(state);
}
