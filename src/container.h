/* SPDX-License-Identifier: ISC */
/*
 * container - from a member that a list or a wheel knows to the struct that
 * it is embedded in.
 * Thread: any.
 */
#ifndef MPUSHD_CONTAINER_H
#define MPUSHD_CONTAINER_H

#include <stddef.h>

/* The TYPE whose MEMBER is at PTR, which is not NULL. */
#define CONTAINER_OF(ptr, type, member)                                        \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
