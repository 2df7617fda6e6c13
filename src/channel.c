/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "channel.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "clock.h"
#include "doorbell.h"
#include "gauge.h"
#include "pipe.h"
#include "tevent.h"

#define CHANNEL_CAPACITY 4096 /* events */

struct channel {
	struct pipe *pipe;
	struct doorbell *bell;
	/* The sender's, away from what the receiver reads. */
	alignas(64) STAILQ_HEAD(, tevent) spill;
	size_t sent; /* since the last flush */
	struct gauge spilled;
};

struct channel *
channel_new(struct doorbell *bell)
{
	struct channel *ch;

	ch = aligned_alloc(64, sizeof(*ch));
	if (ch == NULL)
		return NULL;
	memset(ch, 0, sizeof(*ch));
	ch->pipe = pipe_new(CHANNEL_CAPACITY);
	if (ch->pipe == NULL) {
		free(ch);
		return NULL;
	}
	ch->bell = bell;
	STAILQ_INIT(&ch->spill);
	return ch;
}

void
channel_free(struct channel **chp)
{
	struct channel *ch = *chp;
	struct tevent *ev;

	if (ch == NULL)
		return;
	while ((ev = pipe_get(ch->pipe)) != NULL)
		tevent_free(&ev);
	while ((ev = STAILQ_FIRST(&ch->spill)) != NULL) {
		STAILQ_REMOVE_HEAD(&ch->spill, link);
		tevent_free(&ev);
	}
	pipe_free(&ch->pipe);
	free(ch);
	*chp = NULL;
}

static void
channel_spill(struct channel *ch, struct tevent *ev)
{
	STAILQ_INSERT_TAIL(&ch->spill, ev, link);
	gauge_up(&ch->spilled);
}

void
channel_send(struct channel *ch, struct tevent **evp)
{
	(*evp)->sent_at = clock_mono_ns();
	ch->sent++;
	if (!STAILQ_EMPTY(&ch->spill) || !pipe_put(ch->pipe, *evp))
		channel_spill(ch, *evp);
	*evp = NULL;
}

void
channel_flush(struct channel *ch)
{
	struct tevent *ev;

	if (ch->sent == 0 && STAILQ_EMPTY(&ch->spill))
		return;
	while ((ev = STAILQ_FIRST(&ch->spill)) != NULL) {
		/* Out of the list first: the receiver may free it at once. */
		STAILQ_REMOVE_HEAD(&ch->spill, link);
		if (!pipe_put(ch->pipe, ev)) {
			STAILQ_INSERT_HEAD(&ch->spill, ev, link);
			break;
		}
		gauge_down(&ch->spilled);
	}
	ch->sent = 0;
	doorbell_ring(ch->bell);
}

size_t
channel_unflushed(const struct channel *ch)
{
	return ch->sent;
}

bool
channel_stuck(const struct channel *ch)
{
	return !STAILQ_EMPTY(&ch->spill);
}

size_t
channel_depth(struct channel *ch)
{
	return pipe_depth(ch->pipe) + gauge_read(&ch->spilled);
}

struct tevent *
channel_receive(struct channel *ch)
{
	return pipe_get(ch->pipe);
}

uint64_t
channel_head_time(struct channel *ch)
{
	const struct tevent *ev = pipe_peek(ch->pipe);

	return ev == NULL ? UINT64_MAX : ev->sent_at;
}

bool
channel_ready(struct channel *ch)
{
	return pipe_ready(ch->pipe);
}
