/* SPDX-License-Identifier: ISC */
/*
 * conn - one accepted connection, and the table of a worker's connections.
 * evhttp reads the requests; once a connection has become a WebSocket, or is
 * being turned away, its bufferevent is ours (conn_take_over) and evhttp only
 * keeps it alive.
 * Thread: worker.  Owns: struct conn; the evhttp_connection under it is
 * evhttp's until conn_close.
 * Limits: a request head of CONN_HEAD_MAX bytes; large bodies (http_body_large)
 * of CONN_LARGE_MAX connections, others wait; every state but a push that
 * waits and a logged-in session has a deadline.
 */
#ifndef MPUSHD_CONN_H
#define MPUSHD_CONN_H

#include <event2/bufferevent.h>
#include <event2/http.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "gauge.h"
#include "handle.h"
#include "wheel.h"

#define CONN_HEAD_MAX  65536 /* bytes of request line and headers */
#define CONN_LINGER_MS 2000  /* milliseconds for a peer to hear why */
#define CONN_LARGE_MAX 4     /* large bodies that a worker reads at a time */

struct fanout;
struct session;
struct worker;

enum conn_state {
	CONN_READING, /* evhttp reads a request, or sends an answer */
	CONN_WAITING, /* a request waits for the broker's answer */
	CONN_SESSION, /* a WebSocket */
	CONN_LINGER,  /* last words are on their way, input is dropped */
	CONN_DEAD,    /* evhttp has freed its own; see conns_bury (R7) */
};

struct conn {
	struct wheel_timer timer; /* the deadline */
	TAILQ_ENTRY(conn) list;   /* fresh, or dirty, or dying, or dead */
	struct conns *conns;
	struct evhttp_connection *evcon;
	struct bufferevent *bev;
	struct evhttp_request *req; /* in CONN_WAITING */
	struct fanout *fanout;      /* of a request for several devices */
	struct evbuffer_cb_entry *input_cb, *output_cb;
	struct session *session;      /* in CONN_SESSION */
	bool wants_json, wants_close; /* of the request */
	size_t request_bytes;         /* came for this request */
	uint64_t asked_at;            /* a push: nanoseconds; 0: it is none */
	unsigned int shape;           /* of its webhook, for the metrics */
	size_t searched; /* of the input: has no "application/json" */
	uint32_t gen;
	int fd;
	enum conn_state state;
	bool dirty;     /* has output to flush */
	bool answering; /* what is written now is ours */
	bool foreign;   /* evhttp wrote a page of its own */
	bool replied;   /* evhttp waits for the answer to drain */
	bool last;      /* the answer under way is the last one */
	bool served;    /* an answer has been given */
	bool shut;      /* CONN_LINGER: sending has ended */
	bool roomy;     /* its request may have a large body */
	bool large;     /* reads a large body */
	bool hungry;    /* would; is in the list */
	bool upgraded;  /* is, or was, a WebSocket */
	TAILQ_ENTRY(conn) hunger;
};

TAILQ_HEAD(conn_list, conn);

struct conns {
	struct worker *worker;
	struct conn **slots; /* by descriptor */
	size_t slot_count;
	struct conn_list fresh, dirty, dying, dead;
	TAILQ_HEAD(, conn) hungry;
	size_t large; /* connections that read a large body */
	uint32_t last_gen;
	struct gauge count; /* read by the acceptor */
};

/* Start a table; its worker outlives it. */
void conns_init(struct conns *, struct worker *);

/* Close every connection and free the table's memory. */
void conns_done(struct conns *);

/*
 * Make the bufferevent of a connection that is just being accepted, and its
 * conn; evhttp's bevcb.  NULL: no memory.
 */
struct bufferevent *conns_new_bufferevent(struct conns *, struct event_base *);

/* End a loop turn: take in what was accepted, write what is to be written. */
void conns_settle(struct conns *);

/*
 * Call after libevent has polled: close the descriptors and free the conns
 * that died before the poll.  True when there are some left for the next one.
 */
bool conns_bury(struct conns *);

/* The connection of a handle; NULL when it is stale. */
struct conn *conns_get(struct conns *, struct handle);

/* The connection that a request came on. */
struct conn *conns_of_request(struct conns *, struct evhttp_request *);

/* Call FN for every connection. */
void conns_each(struct conns *, void (*fn)(struct conn *));

struct handle conn_handle(const struct conn *);

/* Its address, for logs; lives as long as the connection. */
const char *conn_peer(const struct conn *);

/* Write its output at the end of the turn. */
void conn_mark_dirty(struct conn *);

/*
 * Let requests have bodies as the configuration says.  Of what follows a
 * request it takes in about as much as is no large body, and a head.
 */
void conn_limit_body(struct conn *);

/*
 * Look at what there is of the next request: one that has to do with JSON may
 * have a large body.
 */
void conn_look_ahead(struct conn *);

/* The body of its request is needed no more. */
void conn_release_large(struct conn *);

/* Close it MS milliseconds from now, or for a session as it sees fit. */
void conn_set_deadline(struct conn *, int64_t ms);

void conn_clear_deadline(struct conn *);

/* The deadline has come. */
void conn_on_deadline(struct wheel_timer *);

/*
 * A request has gone to the broker: wait for its answer, without a deadline.
 * evhttp stops reading meanwhile; reading on instead, into our callbacks,
 * tells when the publisher is gone and costs two system calls less.
 */
void conn_wait(struct conn *);

/*
 * Take the bufferevent from evhttp.  The callbacks get the conn; WRITTEN is
 * called when the output has drained after it once could not be written.
 */
void conn_take_over(struct conn *, bufferevent_data_cb on_read,
    bufferevent_data_cb on_written);

/*
 * Send what is in the output, then end: no more input is looked at, and the
 * peer has CONN_LINGER_MS to read.
 */
void conn_linger(struct conn *);

/* Close at once. */
void conn_close(struct conn *);

#endif
