/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "report.h"

#include <err.h>
#include <math.h>
#include <stdio.h>

#include "check.h"

void
report_add(struct report *r, const char *name, double value)
{
	CHECK(r->count < REPORT_MAX);
	r->figure[r->count].name = name;
	r->figure[r->count].value = value;
	r->count++;
}

/* Whole numbers without a fraction, so that counts read as counts. */
static int
report_decimals(double value)
{
	return value == floor(value) ? 0 : 3;
}

void
report_print(const struct report *r)
{
	const struct report_figure *f;

	printf("%s\n", r->mode);
	for (f = r->figure; f < r->figure + r->count; f++) {
		if (isnan(f->value))
			printf("  %-28s %14s\n", f->name, "-");
		else
			printf("  %-28s %14.*f\n", f->name,
			    report_decimals(f->value), f->value);
	}
}

void
report_write_json(const struct report *r, const char *path)
{
	const struct report_figure *f;
	FILE *out;

	if ((out = fopen(path, "we")) == NULL)
		err(1, "%s", path);
	fprintf(out, "{\"mode\": \"%s\"", r->mode);
	for (f = r->figure; f < r->figure + r->count; f++) {
		if (isnan(f->value))
			fprintf(out, ", \"%s\": null", f->name);
		else
			fprintf(out, ", \"%s\": %.*f", f->name,
			    report_decimals(f->value), f->value);
	}
	fprintf(out, "}\n");
	if (fclose(out) == EOF)
		err(1, "%s", path);
}
