/* SPDX-License-Identifier: ISC */
/*
 * session - a device's WebSocket: token, id, messages, confirmations.
 * Thread: worker.  Owns: struct session, the frame decoder in it.
 * Limits: SESSION_MESSAGE_MAX from the device; SESSION_TOKENS_MAX wrong
 * tokens; reading stops while more than SESSION_OUTPUT_* waits to be sent.
 */
#ifndef MPUSHD_SESSION_H
#define MPUSHD_SESSION_H

#include <stdbool.h>

#include "tevent.h"

#define SESSION_MESSAGE_MAX     65536 /* bytes */
#define SESSION_TOKENS_MAX      5
#define SESSION_OUTPUT_MAX      (2 << 20) /* bytes, logged in */
#define SESSION_OUTPUT_STRANGER 65536     /* bytes, before */

struct conn;
struct session;

/*
 * Make a WebSocket of a connection whose upgrade request has been found good
 * (RFC 6455 4.2); the caller writes the 101.  Returns 0, or -1 when memory is
 * short and nothing was done.
 */
int session_open(struct conn *);

/* Free a session, telling the broker when it held a device; NULL is fine. */
void session_free(struct session **);

/*
 * The broker has answered the login.  False when the session wants it no
 * more: the caller tells the broker.
 */
bool session_on_welcome(struct conn *, const struct tevent_welcome *);

/* Another session has the device now: close 4001. */
void session_on_replaced(struct conn *);

/* Messages for the device. */
void session_on_deliver(struct conn *, const struct tevent_deliver *);

/* Its deadline has come. */
void session_on_deadline(struct conn *);

/* The daemon stops: close 1001. */
void session_stop(struct conn *);

#endif
