/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib.h>
#include <glib/gi18n-lib.h>

/* Runs when the library is loaded, before the first message is translated. Without it, gettext
 * looks for translations in the default prefix only. */
static void __attribute__ ((constructor)) init_translations (void)
{
  bindtextdomain (GETTEXT_PACKAGE, LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
}
