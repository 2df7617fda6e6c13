/* SPDX-License-Identifier: ISC */
/*
 * metrics - what the daemon counts, for GET /-/metrics.
 * Each thread that counts has a set of its own, which only it writes, with
 * plain relaxed stores; a page adds the sets up.  So counting costs a load and
 * a store, and gathering asks no thread and waits for none.
 * A gauge is a counter that goes down too: what one thread adds another may
 * take away, only the sum means something.
 * Thread: metrics_attach once in each thread that counts, metrics_add_pipe
 * before the threads start, metrics_reset after they have ended; the rest any.
 * Limits: METRICS_CELLS cells of 8 bytes a thread, whatever peers send.
 */
#ifndef MPUSHD_METRICS_H
#define MPUSHD_METRICS_H

#include <stddef.h>
#include <stdint.h>

struct channel;

/* How a push was answered: a label's values. */
enum metrics_answer {
	METRICS_OK,
	METRICS_ONLINE,
	METRICS_OFFLINE,
	METRICS_NO,
	METRICS_ANSWERS
};

/* Why input was refused; the name is the label's value. */
/* clang-format off */
#define METRICS_WHYS(X)		\
	X(NONE, "")		\
	X(BAD_REQUEST, "bad_request") \
	X(NOT_FOUND, "not_found") \
	X(METHOD, "method")	\
	X(TOO_LARGE, "too_large") \
	X(MEDIA_TYPE, "media_type") \
	X(UPGRADE, "upgrade")	\
	X(TIMEOUT, "timeout")	\
	X(QUEUE_FULL, "queue_full") \
	X(STORE_FULL, "store_full") \
	X(NOT_KEPT, "not_kept")	\
	X(NOT_CONFIRMED, "not_confirmed") \
	X(REPEATED, "repeated")	\
	X(NO_MEMORY, "no_memory") \
	X(STOPPING, "stopping")	\
	X(TOKEN, "token")	\
	X(LOGIN, "login")	\
	X(PROTOCOL, "protocol")
/* clang-format on */

enum metrics_why {
#define METRICS_WHY(symbol, name) METRICS_WHY_##symbol,
	METRICS_WHYS(METRICS_WHY)
#undef METRICS_WHY
	METRICS_WHY_COUNT
};

#define METRICS_SHAPES     9  /* of webhooks, and none */
#define METRICS_PRIORITIES 6  /* none, 1 to 5 */
#define METRICS_BUCKETS    15 /* of a histogram, the last one without bound */

/* One cell each, or as many as its labels have values, or a histogram. */
enum metrics_cell {
	METRICS_PUSHES,
	METRICS_REJECTED = METRICS_PUSHES + METRICS_ANSWERS * METRICS_SHAPES,
	METRICS_QUEUED = METRICS_REJECTED + METRICS_WHY_COUNT,
	METRICS_IN_FLIGHT,
	METRICS_OVERDUE,
	METRICS_CONFIRMED = METRICS_OVERDUE + METRICS_PRIORITIES,
	METRICS_RESENT,
	METRICS_EXPIRED,
	METRICS_COLLAPSED,
	METRICS_REPEATED,
	METRICS_REGISTERED,
	METRICS_DEVICES_ONLINE,
	METRICS_CONNECTIONS, /* http, websocket */
	METRICS_ACCEPTED = METRICS_CONNECTIONS + 2,
	METRICS_RECEIVED,
	METRICS_SENT,
	METRICS_COMMITS,
	METRICS_STORE_ERRORS,
	METRICS_STORE_BYTES,
	METRICS_ACK_LATENCY,
	METRICS_PUSH_LATENCY = METRICS_ACK_LATENCY + METRICS_BUCKETS + 1,
	METRICS_COMMIT_LATENCY = METRICS_PUSH_LATENCY + METRICS_BUCKETS + 1,
	METRICS_CELLS = METRICS_COMMIT_LATENCY + METRICS_BUCKETS + 1
};

#define METRICS_HTTP      0 /* beside METRICS_CONNECTIONS */
#define METRICS_WEBSOCKET 1

/*
 * Give the calling thread a set.  A thread without one counts nothing, as in
 * unit tests.  Returns 0, or -1 with errno ENOMEM.
 */
int metrics_attach(void);

/* Add to cell CELL + I; N may be negative for a gauge. */
void metrics_add(enum metrics_cell cell, unsigned int i, int64_t n);

/* Set a gauge that only the calling thread sets. */
void metrics_set(enum metrics_cell cell, unsigned int i, uint64_t n);

/* Put a time in nanoseconds into a histogram. */
void metrics_observe(enum metrics_cell histogram, uint64_t ns);

/* Count one push: how it was answered, and its shape as hook.h names it. */
void metrics_count_push(enum metrics_answer, unsigned int shape);

/* Count something that was refused. */
void metrics_count_refusal(enum metrics_why);

/* The number of a shape; 0 for "none" and for what is no shape. */
unsigned int metrics_shape(const char *name);

/* The names of the shapes by their numbers. */
extern const char *const metrics_shapes[METRICS_SHAPES];

/* When the first set was made: milliseconds since the epoch. */
uint64_t metrics_start_time(void);

/* The sum of a cell over all threads. */
uint64_t metrics_sum(enum metrics_cell cell, unsigned int i);

/* The upper bound of a bucket in seconds, as the page writes it. */
const char *metrics_bucket_bound(unsigned int i);

/*
 * Let the page tell how much waits in a channel (borrowed).  NAME is copied.
 * Returns 0, or -1 with errno ENOMEM.
 */
int metrics_add_pipe(const char *name, struct channel *);

/* The channel number I, and its name; NULL when there are not so many. */
const char *metrics_pipe(size_t i, size_t *depth);

/* Forget all sets and channels. */
void metrics_reset(void);

#endif
