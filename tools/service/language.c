/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <locale.h>

#include "tools/service/language.h"

/* The locale of the process, but with the messages of C. Made once, and kept. */
static locale_t
get_english (void)
{
  static gsize made = 0;
  static locale_t english = (locale_t) 0;

  if (g_once_init_enter (&made))
    {
      locale_t copy = duplocale (LC_GLOBAL_LOCALE);

      if (copy != (locale_t) 0)
        {
          english = newlocale (LC_MESSAGES_MASK, "C", copy);
          if (english == (locale_t) 0)
            freelocale (copy);
        }
      g_once_init_leave (&made, 1);
    }
  return english;
}

void
language_speak_english (void)
{
  /* If there is no memory for the locale, the language stays as it is. */
  uselocale (get_english ());
}

void
language_speak_own (void)
{
  uselocale (LC_GLOBAL_LOCALE);
}
