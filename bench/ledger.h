/* SPDX-License-Identifier: ISC */
/*
 * ledger - what became of each push: sent, answered, received.  It finds
 * losses, copies, wrong addressees, and an `ok` that came before the device
 * had the message.
 * Limits: LEDGER_MAX pushes in one run.
 */
#ifndef BENCH_LEDGER_H
#define BENCH_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_MAX UINT32_C(4000000000)

/* The one word of an answer. */
enum answer {
	ANSWER_OK,
	ANSWER_ONLINE,
	ANSWER_OFFLINE,
	ANSWER_NO,
	ANSWER_COUNT,
};

struct push {
	int64_t due; /* intended time of sending, ns */
	uint32_t device;
	bool accepted; /* answered ok, online or offline */
	bool received;
};

/* Start from a zeroed one. */
struct ledger {
	struct push *push; /* by sequence number */
	uint32_t count, size;
	uint32_t base; /* pushes below it are closed: any is foreign */
	uint64_t answers[ANSWER_COUNT];
	uint64_t received; /* first copies */
	uint64_t missing;  /* accepted and not received yet */
	uint64_t duplicates;
	uint64_t misdelivered; /* came to another device */
	uint64_t early;        /* `ok`, but the device had not got it */
};

/* Enter a push and return its sequence number. */
uint32_t ledger_send(struct ledger *, uint32_t device, int64_t due);

/* Enter an answer. */
void ledger_answer(struct ledger *, uint32_t seq, enum answer);

/*
 * Enter that DEVICE got push SEQ.  Returns the push when this is its first
 * copy and it was meant for that device, else NULL.
 */
const struct push *
ledger_receive(struct ledger *, uint32_t seq, uint32_t device);

/* Begin a new account: the counters go to zero, earlier pushes are closed. */
void ledger_reset(struct ledger *);

/* Free all. */
void ledger_free(struct ledger *);

#endif
