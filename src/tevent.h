/* SPDX-License-Identifier: ISC */
/*
 * tevent - the events by which the threads talk (R2), one row of one table
 * for each type.
 * Thread: an event belongs to one thread at a time; sending it moves it (R3).
 * Owns: what its body references; tevent_free gives that back.
 */
#ifndef MPUSHD_TEVENT_H
#define MPUSHD_TEVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "handle.h"

struct conf;
struct message;

/*
 * Type, struct tevent_BODY, direction and meaning.  Who receives an event
 * frees it.  A acceptor, B broker, S store, W worker.
 */
/* clang-format off */
#define TEVENT_TABLE(X)							\
	X(CONF,      conf,    "A>B B>W", "a new configuration")		\
	X(APPLIED,   plain,   "W>A", "it is in force here, and in the broker") \
	X(ACCEPT,    accept,  "A>W", "accept some connections now")	\
	X(ACCEPTED,  accept,  "W>A", "that many were; errno if it failed") \
	X(STOP,      plain,   "A>B B>W", "answer who waits, close")	\
	X(STOPPED,   plain,   "W>A", "this worker has no connection left") \
	X(QUIT,      plain,   "A>B A>W A>S", "leave the loop")		\
	X(BEAT,      plain,   "A>B B>W W>A", "all threads turn")	\
	X(PUSH,      push,    "W>B", "a message for a device")		\
	X(QUERY,     push,    "W>B", "is this device registered")	\
	X(ANSWER,    answer,  "B>W", "what to tell a publisher")	\
	X(LOGIN,     login,   "W>B", "a session names its device")	\
	X(WELCOME,   welcome, "B>W", "the answer to a login")		\
	X(REPLACED,  session, "B>W", "another session has the device now") \
	X(LOGOUT,    session, "W>B", "a session has ended")		\
	X(DELIVER,   deliver, "B>W", "messages for a session, in order") \
	X(ACK,       ack,     "W>B", "a session confirms messages")	\
	X(ALIVE,     session, "W>B", "a session gave a sign of life")	\
	X(KEEP,      keep,    "B>S", "keep a message")			\
	X(KEPT,      keep,    "S>B", "the same: it is on disk, or is not") \
	X(ENROL,     keep,    "B>S", "keep a registration")		\
	X(ENROLLED,  keep,    "S>B", "the same: it is on disk, or is not") \
	X(DISCARD,   discard, "B>S", "delete what is kept under a key")
/* clang-format on */

enum tevent_type {
#define TEVENT_ENUM(name, body, way, text) TEVENT_##name,
	TEVENT_TABLE(TEVENT_ENUM)
#undef TEVENT_ENUM
	TEVENT_TYPES
};

/* The head of every event; only channel.c sets the time and uses the link. */
struct tevent {
	enum tevent_type type;
	uint64_t sent_at; /* nanoseconds, monotonic, the same for all */
	STAILQ_ENTRY(tevent) link;
};

struct tevent_plain {
	struct tevent head;
};

struct tevent_conf {
	struct tevent head;
	struct conf *conf; /* one reference */
};

struct tevent_accept {
	struct tevent head;
	unsigned int listener; /* index */
	unsigned int count;    /* at most; were */
	int error;             /* errno of accept(2), or 0 */
};

/* PUSH and QUERY; the id follows. */
struct tevent_push {
	struct tevent head;
	struct handle from;      /* the publisher's connection */
	uint32_t part;           /* of its request; comes back */
	struct message *message; /* one reference; NULL in a QUERY */
	uint64_t dedup;          /* see struct push */
	bool no_wait;            /* answer as soon as it is kept */
	bool require_ack;        /* a success only if it is confirmed */
	size_t id_len;
	char id[];
};

enum answer {
	ANSWER_OK,
	ANSWER_ONLINE,
	ANSWER_OFFLINE,
	ANSWER_UNKNOWN, /* no such device */
	ANSWER_QUEUE_FULL,
	ANSWER_STOPPING,
	ANSWER_NO_MEMORY,
	ANSWER_STORE_FULL, /* MAX_STORE */
	ANSWER_NOT_KEPT,   /* the store failed */
	ANSWER_NOT_CONFIRMED,
	ANSWER_REPEATED, /* the same is being pushed at this moment */
	ANSWER_STARTING, /* of the page of that name only */
};

struct tevent_answer {
	struct tevent head;
	struct handle to;
	uint32_t part;
	enum answer answer;
	uint64_t mid; /* 0 when none was given */
};

struct tevent_login {
	struct tevent head;
	struct handle from;
	size_t id_len;
	char id[];
};

struct tevent_welcome {
	struct tevent head;
	struct handle to;
	struct devref device; /* none: refused */
	bool not_kept;        /* the store failed; else: too many devices */
	size_t id_len;
	char id[];
};

struct tevent_session {
	struct tevent head;
	struct handle session;
	struct devref device;
};

struct tevent_item {
	struct message *message; /* one reference */
	uint64_t mid;
};

struct tevent_deliver {
	struct tevent head;
	struct handle to;
	bool again; /* a resend */
	size_t count;
	struct tevent_item item[];
};

struct tevent_ack {
	struct tevent head;
	struct handle session;
	struct devref device;
	size_t count;
	uint64_t *mids; /* owned */
};

/* KEEP, KEPT, ENROL and ENROLLED; the device's id follows. */
struct tevent_keep {
	struct tevent head;
	struct devref device;
	struct handle from; /* ENROL: the session that waits for it, or none */
	struct message *message; /* KEEP: one reference */
	uint64_t key;            /* in the store */
	uint64_t mid;            /* ENROL: the highest that may be given */
	uint64_t time;           /* see struct record */
	bool cancelled;          /* the store's: need not be written any more */
	int error;               /* errno, or 0 */
	size_t id_len;
	char id[];
};

struct tevent_discard {
	struct tevent head;
	uint64_t key;
};

/*
 * Make an event of TYPE with EXTRA bytes after its body, all zero but the
 * type.  Ends the process when memory is short: a lost event would break a
 * promise.  The result is the body's struct, whose first member is its head.
 */
void *tevent_new(enum tevent_type, size_t extra);

/* Free an event with all that it owns and set the pointer to NULL. */
void tevent_free(struct tevent **);

/* The name of a type, for logs. */
const char *tevent_name(enum tevent_type);

#endif
