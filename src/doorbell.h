/* SPDX-License-Identifier: ISC */
/*
 * doorbell - wakes a thread that sleeps, and costs nothing while it works.
 * Before it sleeps the owner arms the bell, looks at its pipes once more and
 * then waits for the descriptor; who has put something into a pipe rings.
 * Thread: doorbell_ring any; all else the owner's.
 */
#ifndef MPUSHD_DOORBELL_H
#define MPUSHD_DOORBELL_H

struct doorbell;

/* Make a bell.  NULL with errno: no memory or no descriptor. */
struct doorbell *doorbell_new(void);

/* Free a bell that nobody will ring any more; sets the pointer to NULL. */
void doorbell_free(struct doorbell **);

/*
 * The descriptor that becomes readable: wait for it edge-triggered, nobody
 * reads it.
 */
int doorbell_fd(const struct doorbell *);

/* The owner is about to sleep: it must look at its pipes after this. */
void doorbell_arm(struct doorbell *);

/* The owner is awake and needs no ringing. */
void doorbell_disarm(struct doorbell *);

/* Wake the owner if it sleeps or is about to; call after pipe_put. */
void doorbell_ring(struct doorbell *);

/* Sleep until the bell rings or TIMEOUT milliseconds have passed (-1: none). */
void doorbell_wait(struct doorbell *, int timeout);

#endif
