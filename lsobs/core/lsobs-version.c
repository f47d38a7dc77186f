/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/lsobs-version.h"

/**
 * SECTION:lsobs-version
 * @title: Version information
 * @short_description: the version of lsobs
 *
 * The macros have the version of the headers that a program was compiled with. The functions return
 * the version of the library that it runs with.
 *
 * If a program must compile with several versions, define these macros before you include
 * the header:
 *
 * |[<!-- language="C" -->
 * #define LSOBS_VERSION_MIN_REQUIRED LSOBS_VERSION_0_1
 * #define LSOBS_VERSION_MAX_ALLOWED  LSOBS_VERSION_0_1
 * #include <lsobs/lsobs.h>
 * ]|
 *
 * The compiler then warns about symbols that were deprecated up to the first of these versions, and
 * about symbols that are newer than the second one.
 */

/**
 * lsobs_check_version:
 * @major: a major version
 * @minor: a minor version
 * @micro: a micro version
 *
 * Checks whether the version of the library is the given one or newer.
 *
 * Returns: %TRUE if it is
 *
 * Since: 0.1
 */
gboolean
lsobs_check_version (guint major, guint minor, guint micro)
{
  /* Variables: with constants the compiler warns of comparisons that are always true. */
  const guint own_major = LSOBS_MAJOR_VERSION;
  const guint own_minor = LSOBS_MINOR_VERSION;
  const guint own_micro = LSOBS_MICRO_VERSION;

  if (own_major != major)
    return own_major > major;
  if (own_minor != minor)
    return own_minor > minor;

  return own_micro >= micro;
}

/**
 * lsobs_get_version_string:
 *
 * Gets the version of the library that the program runs with.
 *
 * Returns: (transfer none): the version, such as `0.1.0`
 *
 * Since: 0.1
 */
const char *
lsobs_get_version_string (void)
{
  return LSOBS_VERSION_STRING;
}
