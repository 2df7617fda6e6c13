/* SPDX-License-Identifier: ISC */
/*
 * notify - tells the service manager how things stand (sd_notify(3)).
 * Thread: acceptor.
 */
#ifndef MPUSHD_NOTIFY_H
#define MPUSHD_NOTIFY_H

/*
 * Send STATE, such as "READY=1", to the socket that NOTIFY_SOCKET names; does
 * nothing without one.  Faults are ignored: the manager has its own timeouts.
 */
void notify_send(const char *state);

/* Send RELOADING=1 with the time, as Type=notify-reload wants it. */
void notify_reloading(void);

#endif
