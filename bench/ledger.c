/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "ledger.h"

#include <err.h>
#include <stdlib.h>

#include "check.h"

#define LEDGER_FIRST UINT32_C(65536)

static void
ledger_grow(struct ledger *l)
{
	if (l->count >= LEDGER_MAX / 2)
		errx(1, "too many pushes for one run");
	l->size = l->size == 0 ? LEDGER_FIRST : l->size * 2;
	l->push = reallocarray(l->push, l->size, sizeof(*l->push));
	if (l->push == NULL)
		err(1, "ledger");
}

uint32_t
ledger_send(struct ledger *l, uint32_t device, int64_t due)
{
	if (l->count == l->size)
		ledger_grow(l);
	l->push[l->count] = (struct push){ .due = due, .device = device };
	return l->count++;
}

void
ledger_answer(struct ledger *l, uint32_t seq, enum answer answer)
{
	struct push *p = &l->push[seq];

	CHECK(seq >= l->base && seq < l->count);
	l->answers[answer]++;
	p->accepted = answer != ANSWER_NO;
	if (p->accepted && !p->received)
		l->missing++;
	if (answer == ANSWER_OK && !p->received)
		l->early++;
}

const struct push *
ledger_receive(struct ledger *l, uint32_t seq, uint32_t device)
{
	struct push *p;

	if (seq < l->base || seq >= l->count) {
		l->duplicates++;
		return NULL;
	}
	p = &l->push[seq];
	if (p->device != device) {
		l->misdelivered++;
		return NULL;
	}
	if (p->received) {
		l->duplicates++;
		return NULL;
	}
	p->received = true;
	l->received++;
	if (p->accepted)
		l->missing--;
	return p;
}

void
ledger_reset(struct ledger *l)
{
	*l = (struct ledger){
		.push = l->push,
		.count = l->count,
		.size = l->size,
		.base = l->count,
	};
}

void
ledger_free(struct ledger *l)
{
	free(l->push);
	*l = (struct ledger){ 0 };
}
