/* SPDX-License-Identifier: ISC */
/*
 * keeper - the store thread: takes all that waits, commits it as one group
 * and tells the broker.  A group that nobody waits for (confirmations) is
 * committed KEEPER_LINGER after its first at the latest.  When the store
 * fails, all that is to be kept comes back with the error at once, and the
 * store is tried again every KEEPER_RETRY; confirmations are not forgotten.
 * Thread: keeper_run, keeper_turn and all below them the store's; the rest
 * the acceptor's, before the thread starts or after it has ended.
 * Owns: the group in the making and its doorbell; the store is borrowed.
 * Limits: KEEPER_GROUP events in a group.
 */
#ifndef MPUSHD_KEEPER_H
#define MPUSHD_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#define KEEPER_GROUP  4096
#define KEEPER_LINGER 100  /* milliseconds */
#define KEEPER_RETRY  1000 /* milliseconds */

struct channel;
struct doorbell;
struct gauge;
struct keeper;
struct store;

/* Make one for a store that was scanned.  NULL with errno. */
struct keeper *keeper_new(struct store *);

/* Free it; sets the pointer to NULL. */
void keeper_free(struct keeper **);

/* Who sends to the store thread rings this bell. */
struct doorbell *keeper_bell(struct keeper *);

/*
 * Let others read in FAILING (borrowed, 0 now) whether the store fails: then
 * it is not zero.
 */
void keeper_share(struct keeper *, struct gauge *failing);

/* Connect the broker (borrowed). */
void keeper_connect(struct keeper *, struct channel *from, struct channel *to);

/* The thread: runs until QUIT has come and all is committed.  ARG is the keeper. */
void *keeper_run(void *arg);

/*
 * One turn of its loop at NOW (monotonic milliseconds).  Returns true when
 * there may be more to do at once.
 */
bool keeper_turn(struct keeper *, uint64_t now);

#endif
