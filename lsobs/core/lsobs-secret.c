/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-secret-private.h"

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

/* Whether a text can be the value of an HTTP header: a line end, for example, would end the
 * header. */
gboolean
_lsobs_secret_fits_header (const char *text)
{
  for (; *text != '\0'; text++)
    if (*text <= 0x20 || *text >= 0x7f)
      return FALSE;
  return TRUE;
}
