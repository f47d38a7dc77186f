/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * A stand-in for a language model: a web service on a random port of 127.0.0.1, in a thread of its
 * own, that speaks the chat completions API of OpenAI and follows a script:
 *
 *   - a question that holds an expression gets a call of `calculator` and one of `clock` at once,
 *     any other question a call of `clock` alone;
 *   - the answers of the tools get a sentence that quotes them.
 */
typedef struct _ScriptedModel ScriptedModel;

ScriptedModel *scripted_model_new (GError **error);
void scripted_model_free (ScriptedModel *self);
/* to be used as the base URL; no slash at the end */
const char *scripted_model_get_url (ScriptedModel *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScriptedModel, scripted_model_free)

G_END_DECLS
