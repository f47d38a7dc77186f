/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib.h>
#include <glib/gi18n-lib.h>

/* Runs when the library is loaded, before any of its messages can be asked for.
 * Without it gettext finds the translations of an installation in /usr only. */
static void __attribute__ ((constructor)) init_translations (void)
{
  bindtextdomain (GETTEXT_PACKAGE, LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
}
