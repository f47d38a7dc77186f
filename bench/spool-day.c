/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Spends a day offline, and delivers it: so many runs, of about 2 KB each on their way to the service,
 * go to the spool; then the service is there. Prints the size on disk, the memory, the times, and
 * whether each run has arrived once:
 *
 *   make bench/spool-day && bench/spool-day [--runs=N] [--dir=PATH] [--level=N]
 *
 * 20 runs per second are 1728000 a day. They are emitted as fast as the disk takes them; batches
 * have the same size as those of a day, as max-batch-size is reached each time. The service is another
 * process; that it keeps only the ids of runs, and writes no trace of them, is all that is not real. */

#include "config.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <libsoup/soup.h>
#include <lsobs/lsobs.h>

#define DAY        1728000
#define N_WORDS    8000
#define N_TEXT     890
#define MARK       "name=\"post."
#define ID_LEN     36
#define MAX_QUEUED 600

/* --- the service, in a process of its own --- */

static GHashTable *ids; /* (owned) of the runs that have come */
static guint n_twice;

static void
take_runs (const char *body, gsize len)
{
  const char *end = body + len;

  for (const char *at = body; (at = memmem (at, (gsize) (end - at), MARK, strlen (MARK))) != NULL;)
    {
      at += strlen (MARK);
      /* The main part of a run, not one of its fields. */
      if (end - at > ID_LEN && at[ID_LEN] == '"' && !g_hash_table_add (ids, g_strndup (at, ID_LEN)))
        n_twice++;
    }
}

static void
answer_cb (SoupServer *server G_GNUC_UNUSED,
           SoupServerMessage *message,
           const char *path,
           GHashTable *query G_GNUC_UNUSED,
           gpointer data G_GNUC_UNUSED)
{
  SoupMessageBody *body = soup_server_message_get_request_body (message);
  g_autofree char *text = NULL;

  soup_server_message_set_status (message, 202, NULL);
  if (strcmp (path, "/info") == 0)
    {
      soup_server_message_set_status (message, 200, NULL);
      text = g_strdup ("{\"version\":\"0.12.1\",\"batch_ingest_config\":"
                       "{\"use_multipart_endpoint\":true,\"size_limit\":100,"
                       "\"size_limit_bytes\":20971520}}");
    }
  else if (strcmp (path, "/count") == 0)
    {
      soup_server_message_set_status (message, 200, NULL);
      text = g_strdup_printf ("%u runs, %u of them twice", g_hash_table_size (ids), n_twice);
    }
  else
    {
      g_autoptr (GBytes) bytes = soup_message_body_flatten (body);
      gsize len;
      const char *start = g_bytes_get_data (bytes, &len);

      take_runs (start, len);
    }
  soup_server_message_set_response (message, "application/json", SOUP_MEMORY_COPY,
                                    text != NULL ? text : "{}",
                                    strlen (text != NULL ? text : "{}"));
}

static void
run_service (guint16 port)
{
  g_autoptr (SoupServer) server = soup_server_new (NULL, NULL);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;

  ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  soup_server_add_handler (server, NULL, answer_cb, NULL, NULL);
  if (!soup_server_listen_local (server, port, SOUP_SERVER_LISTEN_IPV4_ONLY, &error))
    g_error ("%s", error->message);
  g_main_loop_run (loop);
}

/* Returns: a port that nobody listens on */
static guint16
find_port (void)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();

  return g_socket_listener_add_any_inet_port (listener, NULL, NULL);
}

/* --- runs --- */

static char *words[N_WORDS];
static double weights[N_WORDS]; /* sums, up to 1 */

/* Words as often as those of a language: the n-th is n times rarer than the first. */
static void
make_words (void)
{
  double sum = 0;

  for (guint i = 0; i < N_WORDS; i++)
    {
      guint len = 2 + (guint) g_random_int_range (0, 8);

      words[i] = g_malloc0 (len + 1);
      for (guint k = 0; k < len; k++)
        words[i][k] = "eeetttaaoooiinnsshhrrddlucmwfgypbvk"[g_random_int_range (0, 35)];
      sum += 1.0 / (i + 1);
      weights[i] = sum;
    }
  for (guint i = 0; i < N_WORDS; i++)
    weights[i] /= sum;
}

static const char *
pick_word (void)
{
  double at = g_random_double ();
  guint low = 0;
  guint high = N_WORDS - 1;

  while (low < high)
    {
      guint middle = (low + high) / 2;

      if (weights[middle] < at)
        low = middle + 1;
      else
        high = middle;
    }
  return words[low];
}

static JsonNode *
make_payload (const char *name, gsize len)
{
  g_autoptr (GString) text = g_string_new (NULL);
  JsonObject *object = json_object_new ();
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);

  while (text->len < len)
    g_string_append_printf (text, "%s ", pick_word ());
  json_object_set_string_member (object, name, text->str);
  json_node_take_object (node, object);
  return node;
}

static void
emit (LsobsObserver *observer)
{
  g_autoptr (JsonNode) inputs = make_payload ("question", N_TEXT / 3);
  g_autoptr (JsonNode) outputs = make_payload ("answer", N_TEXT * 2 / 3);
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run (observer, "chat", LSOBS_RUN_TYPE_LLM, inputs);

  lsobs_run_end (run, outputs);
}

/* --- numbers --- */

static guint64
get_counter (LsobsObserver *observer, LsobsCounter counter)
{
  g_autoptr (LsobsStats) stats = lsobs_observer_dup_stats (observer);

  return lsobs_stats_get (stats, counter);
}

static void
print_stats (LsobsObserver *observer)
{
  g_autoptr (LsobsStats) stats = lsobs_observer_dup_stats (observer);
  g_autofree char *text = lsobs_stats_to_string (stats);

  g_print ("  %s\n", text);
}

static double
get_peak_mib (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return (double) usage.ru_maxrss / 1024;
}

static double
get_cpu (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
}

/* Returns: files */
static guint
measure_dir (const char *path, guint64 *n_bytes)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;
  guint n = 0;

  *n_bytes = 0;
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);
      GStatBuf info;

      if (!g_str_has_suffix (name, ".json") || g_stat (file, &info) != 0)
        continue;
      *n_bytes += (guint64) info.st_size;
      n++;
    }
  return n;
}

static LsobsObserver *
make_observer (LsobsConfig *config)
{
  g_autoptr (GError) error = NULL;
  LsobsObserver *observer = lsobs_observer_new (config, &error);

  if (observer == NULL)
    g_error ("%s", error->message);
  return observer;
}

static double
get_seconds (gint64 start)
{
  return (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
}

/* --- the day --- */

static void
spend_offline (LsobsConfig *config, const char *dir, guint n_runs)
{
  LsobsObserver *observer = make_observer (config);
  gint64 start = g_get_monotonic_time ();
  guint64 n_bytes;
  guint n_files;

  for (guint i = 0; i < n_runs; i++)
    {
      emit (observer);
      while (i % 10 == 0 && get_counter (observer, LSOBS_COUNTER_QUEUED) +
                                    get_counter (observer, LSOBS_COUNTER_IN_FLIGHT) >
                                MAX_QUEUED)
        g_usleep (200);
    }
  lsobs_observer_shutdown (observer, 10000, NULL, NULL);
  g_print ("offline: %u runs in %.0f s, %.0f s of CPU, %.0f MiB of memory at most\n", n_runs,
           get_seconds (start), get_cpu (), get_peak_mib ());
  print_stats (observer);
  n_files = measure_dir (dir, &n_bytes);
  g_print ("disk: %u files, %.0f MiB, %.0f bytes per run\n", n_files,
           (double) n_bytes / 1024 / 1024, (double) n_bytes / n_runs);
  g_object_unref (observer);
}

static void
deliver (LsobsConfig *config, const char *dir, const char *url, guint n_runs)
{
  LsobsObserver *observer = make_observer (config);
  g_autoptr (SoupSession) session = soup_session_new ();
  g_autofree char *address = g_strconcat (url, "/count", NULL);
  g_autoptr (SoupMessage) message = soup_message_new ("GET", address);
  g_autoptr (GBytes) answer = NULL;
  gint64 start = g_get_monotonic_time ();
  double cpu = get_cpu ();
  guint64 n_bytes;
  guint64 n_sent;

  while (measure_dir (dir, &n_bytes) > 0)
    g_usleep (250000);
  n_sent = get_counter (observer, LSOBS_COUNTER_BYTES_SENT);
  g_print ("online: delivered in %.0f s, %.0f s of CPU, %.0f bytes per run, %.0f MiB of memory at "
           "most\n",
           get_seconds (start), get_cpu () - cpu, (double) n_sent / n_runs, get_peak_mib ());
  print_stats (observer);
  lsobs_observer_shutdown (observer, 10000, NULL, NULL);
  g_object_unref (observer);
  answer = soup_session_send_and_read (session, message, NULL, NULL);
  g_print ("service: %.*s\n", (int) g_bytes_get_size (answer),
           (const char *) g_bytes_get_data (answer, NULL));
}

static LsobsConfig *
make_config (const char *url, const char *dir, int level)
{
  LsobsConfig *config = lsobs_config_new ("lsv2_pt_0123456789abcdef_fedcba98", "day");

  lsobs_config_set_api_url (config, url);
  lsobs_config_set_spool_dir (config, dir);
  /* Time is what is shortened. */
  lsobs_config_set_spool_delay (config, 0);
  lsobs_config_set_max_attempts (config, 1);
  lsobs_config_set_retry_delay (config, 1);
  if (level > 0)
    lsobs_config_set_compression_level (config, level);
  return config;
}

int
main (int argc, char **argv)
{
  g_autofree char *dir = NULL;
  g_autofree char *url = NULL;
  int n_runs = DAY;
  int level = 0;
  GOptionEntry entries[] = {
    { "runs", 0, 0, G_OPTION_ARG_INT, &n_runs, "how many", "N" },
    { "dir", 0, 0, G_OPTION_ARG_FILENAME, &dir, "an empty directory", "PATH" },
    { "level", 0, 0, G_OPTION_ARG_INT, &level, "of compression", "N" },
    { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsConfig) config = NULL;
  guint16 port = find_port ();
  int pipes[2];
  pid_t service;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    g_error ("%s", error->message);
  if (dir == NULL)
    dir = g_dir_make_tmp ("spool-day-XXXXXX", NULL);
  url = g_strdup_printf ("http://127.0.0.1:%u", port);

  /* It listens when it is told to. */
  if (pipe (pipes) != 0)
    g_error ("no pipe");
  service = fork ();
  if (service == 0)
    {
      char byte;

      close (pipes[1]);
      if (read (pipes[0], &byte, 1) == 1)
        run_service (port);
      _exit (0);
    }
  make_words ();
  config = make_config (url, dir, level);
  spend_offline (config, dir, (guint) n_runs);
  if (write (pipes[1], "x", 1) != 1)
    g_error ("no service");
  deliver (config, dir, url, (guint) n_runs);
  kill (service, SIGKILL);
  waitpid (service, NULL, 0);
  return 0;
}
