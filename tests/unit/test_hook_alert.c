/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hook_payload.h"

#define ENOUGH 65536

static void
test_firing(void **state)
{
	(void)state;
	payload_check("alertmanager-firing", "alertmanager-firing", ENOUGH);
}

static void
test_mixed(void **state)
{
	(void)state;
	payload_check("alertmanager-mixed", "alertmanager-mixed", ENOUGH);
}

static void
test_resolved(void **state)
{
	(void)state;
	payload_check("alertmanager-resolved", "alertmanager-resolved", ENOUGH);
}

static void
test_severities(void **state)
{
	(void)state;
	payload_check("alertmanager-severities", "alertmanager-severities",
	    ENOUGH);
}

static void
test_many(void **state)
{
	(void)state;
	payload_check("alertmanager-many", "alertmanager-many", ENOUGH);
	payload_check("alertmanager-many", "alertmanager-many-1000", 1000);
	payload_check("alertmanager-cut", "alertmanager-cut-660", 660);
}

static void
test_nothing(void **state)
{
	(void)state;
	payload_check("alertmanager-nothing", "alertmanager-nothing", ENOUGH);
	payload_check("alertmanager-wrong-types", "alertmanager-wrong-types",
	    ENOUGH);
}

static void
test_grafana(void **state)
{
	(void)state;
	payload_check("grafana", "grafana", ENOUGH);
	payload_check("grafana-custom", "grafana-custom", ENOUGH);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_firing),
		cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_resolved),
		cmocka_unit_test(test_severities),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_grafana),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
