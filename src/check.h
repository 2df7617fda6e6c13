/* SPDX-License-Identifier: ISC */
/*
 * check - the assert that stays in production: a broken invariant of ours
 * ends the process at the spot, before it can cost anybody a message.
 * Thread: any.
 */
#ifndef MPUSHD_CHECK_H
#define MPUSHD_CHECK_H

/* Report EXPR, FILE and LINE on stderr and abort; for CHECK and CHECK_FAIL. */
_Noreturn void check_failed(const char *expr, const char *file, int line);

#define CHECK_FAIL(what) check_failed((what), __FILE__, __LINE__)
#define CHECK(expr)      ((expr) ? (void)0 : check_failed(#expr, __FILE__, __LINE__))

#endif
