/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Uses a program of GTK as somebody who cannot see does, on a display of its own: it finds widgets
 * by their accessible names, reads what they show, types and presses. It is the registry of an
 * accessibility bus of its own. Everything is for the thread that runs the default main context. */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _ScreenReader ScreenReader;

/* (transfer full) (nullable): NULL, with the reason in @why_not, if a program that it needs is not
 * installed */
ScreenReader *screen_reader_new (const char **why_not);
void screen_reader_free (ScreenReader *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScreenReader, screen_reader_free)

/* What @launcher starts is shown on the display, and can be read. */
void screen_reader_prepare (ScreenReader *self, GSubprocessLauncher *launcher);
/* Waits until a program is there. It is the one that is used from then on. */
void screen_reader_wait_program (ScreenReader *self);

/* Each waits for the @nth widget that has this name, and can do that. */
void screen_reader_press (ScreenReader *self, const char *name, guint nth);
void screen_reader_type (ScreenReader *self, const char *name, const char *text);
/* Waits until the texts in the @nth group of that name are these, with a line end after each. */
void screen_reader_wait_texts (ScreenReader *self,
                               const char *name,
                               guint nth,
                               const char *expected);
/* (transfer full) (nullable): these texts as they are now, NULL if there is no such group */
char *screen_reader_dup_texts (ScreenReader *self, const char *name, guint nth);
/* Everything that can be pressed or typed into has a name. */
void screen_reader_assert_named (ScreenReader *self);
/* The longest that the program has taken to say something, in ms, since the last call of this. */
gint64 screen_reader_take_worst_ms (ScreenReader *self);

G_END_DECLS
