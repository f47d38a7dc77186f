/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/config/lsobs-trim-private.h"

/* Users copy white space and quotes along with a value. */

static gboolean
is_space (char c)
{
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Skips white space around @text and one pair of quotes, without a copy.
 * @text: (nullable)
 * @len: (out): the length of the rest, 0 if nothing is left
 * Returns: (nullable) (transfer none): the start of the rest, inside @text */
const char *
_lsobs_trim (const char *text, gsize *len)
{
  const char *end;

  *len = 0;
  if (text == NULL)
    return NULL;
  end = text + strlen (text);
  for (guint quotes = 0; quotes < 2; quotes++)
    {
      while (text < end && is_space (*text))
        text++;
      while (text < end && is_space (end[-1]))
        end--;
      if (quotes > 0 || end - text < 2 || (*text != '"' && *text != '\'') || end[-1] != *text)
        break;
      text++;
      end--;
    }
  *len = (gsize) (end - text);
  return text;
}

/* Copies the rest of @text in one step: moving a secret within a buffer would leave parts of it
 * behind.
 * @text: (nullable)
 * Returns: (transfer full) (nullable): NULL if nothing is left */
char *
_lsobs_trim_dup (const char *text)
{
  gsize len;
  const char *start = _lsobs_trim (text, &len);

  return len > 0 ? g_strndup (start, len) : NULL;
}

/* @text: (nullable) */
gboolean
_lsobs_trim_is_empty (const char *text)
{
  gsize len;

  _lsobs_trim (text, &len);
  return len == 0;
}
