/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "fanout.h"

#include <stdlib.h>

#include "address.h"
#include "check.h"
#include "message.h"

struct fanout *
fanout_new(struct address_list **to, struct message *message)
{
	struct fanout *f;
	size_t i;

	f = calloc(1, sizeof(*f) + (*to)->count * sizeof(f->part[0]));
	if (f == NULL)
		return NULL;
	f->to = *to;
	*to = NULL;
	f->message = message != NULL ? message_ref(message) : NULL;
	f->waiting = f->to->count;
	for (i = 0; i < f->to->count; i++)
		f->part[i].waits = true;
	return f;
}

void
fanout_free(struct fanout **fp)
{
	struct fanout *f = *fp;

	*fp = NULL;
	if (f == NULL)
		return;
	address_free(&f->to);
	message_unref(&f->message);
	free(f);
}

bool
fanout_answer(struct fanout *f, size_t i, enum answer answer, uint64_t mid)
{
	CHECK(i < f->to->count && f->part[i].waits);
	f->part[i].answer = answer;
	f->part[i].mid = mid;
	f->part[i].waits = false;
	f->waiting--;
	return f->waiting == 0;
}

static bool
fanout_has(const struct fanout *f, enum answer answer)
{
	size_t i;

	for (i = 0; i < f->to->count; i++) {
		if (f->part[i].answer == answer)
			return true;
	}
	return false;
}

size_t
fanout_again(struct fanout *f)
{
	size_t i;

	CHECK(f->waiting == 0);
	if (!f->require_ack || !fanout_has(f, ANSWER_OK))
		return 0;
	for (i = 0; i < f->to->count; i++) {
		if (f->part[i].answer != ANSWER_NOT_CONFIRMED)
			continue;
		f->part[i].waits = true;
		f->waiting++;
	}
	return f->waiting;
}

/* How bad an answer is beside others. */
static int
fanout_rank(enum answer answer)
{
	switch (answer) {
	case ANSWER_OK:
	case ANSWER_ONLINE:
	case ANSWER_OFFLINE:
	case ANSWER_UNKNOWN:
		return (int)answer;
	default:
		return ANSWER_UNKNOWN + 1;
	}
}

enum answer
fanout_judge(const struct fanout *f)
{
	int most = f->require_ack && fanout_has(f, ANSWER_OK) ?
		       ANSWER_OFFLINE :
		       ANSWER_UNKNOWN + 1;
	enum answer worst = ANSWER_OK;
	size_t i;

	for (i = 0; i < f->to->count; i++) {
		if (fanout_rank(f->part[i].answer) > fanout_rank(worst) &&
		    fanout_rank(f->part[i].answer) <= most)
			worst = f->part[i].answer;
	}
	return worst;
}
