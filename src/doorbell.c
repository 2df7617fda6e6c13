/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "doorbell.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"

struct doorbell {
	alignas(64) atomic_bool armed;
	int fd;
	int epfd; /* for doorbell_wait */
};

struct doorbell *
doorbell_new(void)
{
	struct epoll_event want = { .events = EPOLLIN | EPOLLET };
	struct doorbell *b;

	b = aligned_alloc(64, sizeof(*b));
	if (b == NULL)
		return NULL;
	atomic_init(&b->armed, false);
	b->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	b->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (b->fd == -1 || b->epfd == -1 ||
	    epoll_ctl(b->epfd, EPOLL_CTL_ADD, b->fd, &want) == -1)
		doorbell_free(&b);
	return b;
}

void
doorbell_free(struct doorbell **bp)
{
	struct doorbell *b = *bp;

	if (b == NULL)
		return;
	if (b->fd != -1)
		close(b->fd);
	if (b->epfd != -1)
		close(b->epfd);
	free(b);
	*bp = NULL;
}

int
doorbell_fd(const struct doorbell *b)
{
	return b->fd;
}

/*
 * Arming and ringing are read-modify-writes in one total order: either the
 * ringer sees the bell armed, or the owner, which arms before it looks at its
 * pipes, sees what the ringer has put in.
 */
void
doorbell_arm(struct doorbell *b)
{
	atomic_exchange_explicit(&b->armed, true, memory_order_seq_cst);
}

void
doorbell_disarm(struct doorbell *b)
{
	/*
	 * An exchange, not a store: a store would break the release sequence
	 * of who rang a bell that was not armed, whose event the next arming
	 * must make visible.
	 */
	atomic_exchange_explicit(&b->armed, false, memory_order_relaxed);
}

void
doorbell_ring(struct doorbell *b)
{
	uint64_t one = 1;

	if (!atomic_exchange_explicit(&b->armed, false, memory_order_seq_cst))
		return;
	/* Of the errors only EAGAIN could be, after 2^64 - 1 rings. */
	CHECK(write(b->fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

void
doorbell_wait(struct doorbell *b, int timeout)
{
	struct epoll_event got;

	/* A signal or a spurious wake-up is as good as a ring. */
	(void)epoll_wait(b->epfd, &got, 1, timeout);
}
