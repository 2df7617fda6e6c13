/* SPDX-License-Identifier: ISC */
/*
 * notify - tells the service manager how things stand (sd_notify(3)).
 * Thread: acceptor.
 */
#ifndef MPUSHD_NOTIFY_H
#define MPUSHD_NOTIFY_H

#include <stdint.h>

/*
 * Send STATE, such as "READY=1", or several lines of them, to the socket that NOTIFY_SOCKET names; does
 * nothing without one.  Faults are ignored: the manager has its own timeouts.
 */
void notify_send(const char *state);

/*
 * How often the manager wants to hear WATCHDOG=1 from this process, in
 * microseconds; 0: not at all.
 */
uint64_t notify_watchdog(void);

/* Send RELOADING=1 with the time, as Type=notify-reload wants it. */
void notify_reloading(void);

#endif
