/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The first thing that this file includes is the public header, with no config.h
 * and nothing of the library's own build: it must stand alone. */
#include <lsobs/lsobs.h>

#ifdef LSOBS_COMPILATION
# error "This test is to be compiled as a program outside of lsobs would be."
#endif

#ifdef LSOBS_INSIDE
# error "The header leaves LSOBS_INSIDE behind."
#endif

static void
test_macros (void)
{
  g_assert_true (
      LSOBS_CHECK_VERSION (LSOBS_MAJOR_VERSION, LSOBS_MINOR_VERSION, LSOBS_MICRO_VERSION));
  g_assert_true (LSOBS_CHECK_VERSION (0, 1, 0));
  g_assert_false (LSOBS_CHECK_VERSION (LSOBS_MAJOR_VERSION + 1, 0, 0));
  g_assert_false (LSOBS_CHECK_VERSION (LSOBS_MAJOR_VERSION, LSOBS_MINOR_VERSION + 1, 0));
  g_assert_false (
      LSOBS_CHECK_VERSION (LSOBS_MAJOR_VERSION, LSOBS_MINOR_VERSION, LSOBS_MICRO_VERSION + 1));
  g_assert_cmpint (LSOBS_VERSION_MAX_ALLOWED, >=, LSOBS_VERSION_0_1);
}

static void
test_library (void)
{
  g_assert_true (
      lsobs_check_version (LSOBS_MAJOR_VERSION, LSOBS_MINOR_VERSION, LSOBS_MICRO_VERSION));
  g_assert_true (lsobs_check_version (0, 0, 99));
  g_assert_false (lsobs_check_version (LSOBS_MAJOR_VERSION + 1, 0, 0));
  g_assert_false (lsobs_check_version (LSOBS_MAJOR_VERSION, LSOBS_MINOR_VERSION + 1, 0));
  g_assert_false (
      lsobs_check_version (LSOBS_MAJOR_VERSION, LSOBS_MINOR_VERSION, LSOBS_MICRO_VERSION + 1));
}

static void
test_string (void)
{
  g_autofree char *expected =
      g_strdup_printf ("%d.%d.%d", LSOBS_MAJOR_VERSION, LSOBS_MINOR_VERSION, LSOBS_MICRO_VERSION);

  g_assert_cmpstr (LSOBS_VERSION_STRING, ==, expected);
  g_assert_cmpstr (lsobs_get_version_string (), ==, expected);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/include/macros", test_macros);
  g_test_add_func ("/include/library", test_library);
  g_test_add_func ("/include/string", test_string);

  return g_test_run ();
}
