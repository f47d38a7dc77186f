/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <pthread.h>

#include "tests/lib/test-utils.h"

/* How often a predicate that nothing announces is asked. */
#define TICK_MS 5

static gboolean
keep_cb (gpointer user_data G_GNUC_UNUSED)
{
  return G_SOURCE_CONTINUE;
}

gboolean
test_wait_in_context (GMainContext *context,
                      gboolean (*predicate) (gpointer data),
                      gpointer data,
                      guint timeout_ms)
{
  gint64 deadline = g_get_monotonic_time () + timeout_ms * (gint64) 1000;
  g_autoptr (GSource) tick = g_timeout_source_new (TICK_MS);
  gboolean is_in_time = TRUE;
  gboolean is_true;

  g_source_set_callback (tick, keep_cb, NULL, NULL);
  g_source_set_static_name (tick, "[test] tick");
  g_source_attach (tick, context);

  /* it is asked once more after the deadline, in case this thread did not run for long */
  while (!(is_true = predicate (data)) && is_in_time)
    {
      is_in_time = g_get_monotonic_time () < deadline;
      g_main_context_iteration (context, TRUE);
    }

  g_source_destroy (tick);

  return is_true;
}

gboolean
test_wait_until (gboolean (*predicate) (gpointer data), gpointer data, guint timeout_ms)
{
  return test_wait_in_context (NULL, predicate, data, timeout_ms);
}

void
test_drain_context (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static gboolean
is_finalized (gpointer data)
{
  g_autoptr (GObject) object = g_weak_ref_get (data);

  return object == NULL;
}

void
test_assert_finalizes (gpointer object)
{
  GWeakRef weak;

  g_weak_ref_init (&weak, object);
  g_object_unref (object);
  g_assert_true (test_wait_until (is_finalized, &weak, TEST_TIMEOUT_MS));
  g_weak_ref_clear (&weak);
}

/* --- asynchronous results ------------------------------------------------------------------ */

void
test_result_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  TestResult *self = user_data;

  g_set_object (&self->source, source);
  g_set_object (&self->result, result);
  g_atomic_int_inc (&self->n_calls);
}

gboolean
test_result_is_there (gpointer data)
{
  return g_atomic_int_get (&((TestResult *) data)->n_calls) > 0;
}

GAsyncResult *
test_result_wait (TestResult *self)
{
  if (!test_wait_in_context (g_main_context_get_thread_default (), test_result_is_there, self,
                             TEST_TIMEOUT_MS))
    g_error ("no result came within %u ms", TEST_TIMEOUT_MS);

  return self->result;
}

void
test_result_clear (TestResult *self)
{
  g_clear_object (&self->source);
  g_clear_object (&self->result);
  self->n_calls = 0;
}

/* --- environment --------------------------------------------------------------------------- */

struct _TestEnv
{
  GHashTable *before; /* (owned) (element-type utf8 utf8) name → value, NULL when it was not set */
};

TestEnv *
test_env_new (void)
{
  TestEnv *self = g_new0 (TestEnv, 1);

  self->before = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  return self;
}

static void
set_variable (const char *name, const char *value)
{
  if (value != NULL)
    g_setenv (name, value, TRUE);
  else
    g_unsetenv (name);
}

void
test_env_free (TestEnv *self)
{
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, self->before);
  while (g_hash_table_iter_next (&iter, &name, &value))
    set_variable (name, value);

  g_hash_table_unref (self->before);
  g_free (self);
}

void
test_env_set (TestEnv *self, const char *name, const char *value)
{
  if (!g_hash_table_contains (self->before, name))
    g_hash_table_insert (self->before, g_strdup (name), g_strdup (g_getenv (name)));
  set_variable (name, value);
}

void
test_env_unset_all (TestEnv *self, const char *const *names)
{
  for (guint i = 0; names[i] != NULL; i++)
    test_env_set (self, names[i], NULL);
}

void
test_env_unset_prefix (TestEnv *self, const char *prefix)
{
  g_auto (GStrv) names = g_listenv ();

  for (guint i = 0; names[i] != NULL; i++)
    if (g_str_has_prefix (names[i], prefix))
      test_env_set (self, names[i], NULL);
}

/* --- test data ----------------------------------------------------------------------------- */

const char *
test_data_dir (void)
{
  static gsize once = 0;
  static char *dir = NULL;

  if (g_once_init_enter (&once))
    {
      dir = g_test_build_filename (G_TEST_DIST, "data", NULL);
      g_once_init_leave (&once, 1);
    }

  return dir;
}

GBytes *
test_data_load (const char *name)
{
  g_autofree char *path = g_build_filename (test_data_dir (), name, NULL);
  g_autoptr (GError) error = NULL;
  char *data;
  gsize size;

  if (!g_file_get_contents (path, &data, &size, &error))
    g_error ("%s", error->message);

  return g_bytes_new_take (data, size);
}

/* New threads need stacks that no address space has room for. */
gboolean
test_forbid_threads (gboolean forbid)
{
#ifdef __GLIBC__
  static size_t usual;
  pthread_attr_t attributes;
  gboolean done;

  g_assert_cmpint (pthread_getattr_default_np (&attributes), ==, 0);
  if (usual == 0)
    g_assert_cmpint (pthread_attr_getstacksize (&attributes, &usual), ==, 0);
  /* with 32 bits, even half of the address space may be free */
  pthread_attr_setstacksize (&attributes, forbid ? G_MAXSIZE / 4 * 3 : usual);
  done = pthread_setattr_default_np (&attributes) == 0;
  pthread_attr_destroy (&attributes);
  return done;
#else
  return FALSE;
#endif
}

guint
test_count_descriptors (const char *text)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  const char *name;
  guint n = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/proc/self/fd", name, NULL);
      g_autofree char *target = g_file_read_link (path, NULL);

      if (text == NULL || (target != NULL && strstr (target, text) != NULL))
        n++;
    }
  return n;
}
