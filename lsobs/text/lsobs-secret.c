/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-secret-private.h"

char *
_lsobs_secret_dup (const char *secret)
{
  return g_strdup (secret);
}

void
_lsobs_secret_free (char *secret)
{
  if (secret == NULL)
    return;
  explicit_bzero (secret, strlen (secret));
  g_free (secret);
}

/* What goes into a header must not be able to end it. */
gboolean
_lsobs_secret_fits_header (const char *text)
{
  for (; *text != '\0'; text++)
    if (*text <= 0x20 || *text >= 0x7f)
      return FALSE;
  return TRUE;
}
