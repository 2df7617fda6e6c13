/* SPDX-License-Identifier: ISC */
/*
 * dedup - the notifications that a device was sent lately, so that one which
 * only repeats another is known: two redundant Alertmanagers send each.
 * Thread: broker; pure, the time is given.  Owns: its memory.
 * Limits: the last DEDUP_MAX of a device; it grows to that only while many are
 * remembered at once.  A NULL pointer is an empty one.
 */
#ifndef MPUSHD_DEDUP_H
#define MPUSHD_DEDUP_H

#include <stdbool.h>
#include <stdint.h>

#define DEDUP_MIN 32
#define DEDUP_MAX 512

struct dedup;

/*
 * The hash of a notification, from hashes of what it says and of its GROUP, 0:
 * it has none; NEWEST is when the last of its alerts began, in any unit.  Never
 * 0.
 */
uint64_t dedup_hash(uint32_t says, uint16_t group, uint64_t newest);

/*
 * Remember from NOW until UNTIL that the notification of this hash became the
 * message MID; of more than DEDUP_MAX, or for want of memory, the oldest one is
 * forgotten for it.  Without any memory nothing is remembered.
 */
void dedup_add(struct dedup **, uint64_t hash, uint64_t mid, uint64_t now,
    uint64_t until);

/*
 * True, with the message's mid, when the hash is remembered at NOW.  After its
 * group has said something else it must have the same NEWEST too: an alert that
 * fires, ends and fires again does not repeat itself, and what a second
 * Alertmanager says late does.
 */
bool
dedup_find(const struct dedup *, uint64_t hash, uint64_t now, uint64_t *mid);

/* The message was dropped: its notification may come again. */
void dedup_forget(struct dedup *, uint64_t mid);

/*
 * The message NEW_MID has taken the place of another: what became of that one
 * is what becomes of this.
 */
void dedup_replace(struct dedup *, uint64_t mid, uint64_t new_mid);

/* Free it, as dedup_free, if nothing in it is remembered at NOW any more. */
void dedup_expire(struct dedup **, uint64_t now);

/* Free it and set the pointer to NULL. */
void dedup_free(struct dedup **);

#endif
