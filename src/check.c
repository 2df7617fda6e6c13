/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

void
check_failed(const char *expr, const char *file, int line)
{
	fprintf(stderr, "mpushd: %s:%d: broken invariant: %s\n", file, line,
	    expr);
	abort();
}
