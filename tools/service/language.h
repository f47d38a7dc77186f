/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In which language a thread speaks. Answers are in English, as all that is sent: programs read them, and
 * people who ask others about them. The store says what is wrong in the language of the thread, so that each
 * thread that makes answers speaks English, but for what it writes to the log. */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* This thread speaks English from here on. */
void language_speak_english (void);
/* This thread speaks the language of the user from here on. */
void language_speak_own (void);

G_END_DECLS
