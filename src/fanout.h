/* SPDX-License-Identifier: ISC */
/*
 * fanout - one request for several devices: who of them has answered what, and
 * what that is for all.
 * Thread: worker; pure.  Owns: the addresses and a reference of the message.
 */
#ifndef MPUSHD_FANOUT_H
#define MPUSHD_FANOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tevent.h"

struct address_list;
struct message;

struct fanout_part {
	enum answer answer;
	uint64_t mid;
	bool waits; /* for its answer */
};

struct fanout {
	struct address_list *to;
	struct message *message; /* NULL: only asks whether there are devices */
	uint64_t dedup;
	bool require_ack;
	size_t waiting;
	struct fanout_part part[]; /* one an address */
};

/*
 * Make one that waits for all its parts.  Takes the list and sets *TO to NULL;
 * takes one reference more of MESSAGE, which may be NULL.  NULL: no memory,
 * and nothing is taken.
 */
struct fanout *fanout_new(struct address_list **to, struct message *message);

/* Free it and set the pointer to NULL. */
void fanout_free(struct fanout **);

/* Part I is answered; true when that was the last one. */
bool fanout_answer(struct fanout *, size_t i, enum answer, uint64_t mid);

/*
 * With require_ack the parts that were not confirmed are dropped by the broker.
 * If another one was, they wait again, to be kept for their devices: somebody
 * has the message, and the publisher will not try again.  Returns how many.
 */
size_t fanout_again(struct fanout *);

/*
 * The answer for all: the worst, but one after which trying again helps is
 * worse than one after which it does not.  With require_ack one confirmation
 * is a success, and the worst success is the answer.
 */
enum answer fanout_judge(const struct fanout *);

#endif
