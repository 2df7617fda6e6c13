/* SPDX-License-Identifier: ISC */
/*
 * privs - gives up the rights of root, for a start without a service manager
 * that has done so.
 * Thread: the main thread, while there is no other.
 */
#ifndef MPUSHD_PRIVS_H
#define MPUSHD_PRIVS_H

/* Why the daemon cannot run as the user of that name, or NULL. */
const char *privs_user_fault(const char *name);

/*
 * Become USER, with the groups of that user and no way back, and verify it;
 * NULL: stay who we are.  Who is not root stays so too, which is logged if it
 * is not that user.  Returns 0, or -1 when it failed, which is logged: the
 * process is then not fit to go on.
 */
int privs_drop(const char *user);

#endif
