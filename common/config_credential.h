/*
 * The API key as a credential of the service manager (LoadCredential=api_key:FILE;
 * spec/supervision.md §15): the file $CREDENTIALS_DIRECTORY/api_key.
 */
#ifndef BH_COMMON_CONFIG_CREDENTIAL_H
#define BH_COMMON_CONFIG_CREDENTIAL_H

#include "common/config_load.h"

/*
 * Sets api_key from that file where neither datadog.yaml nor the environment did; blanks and line
 * ends around it do not count. No environment (NULL), directory or file: nothing happens. A file
 * that cannot be read, or is longer than a key can be, is an error among the findings.
 */
void bh_config_read_credential(
    struct bh_config *cfg, char *const *environ_, struct bh_findings *findings);

#endif
