package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/holdfast/holdfast/internal/config"
)

// composeService is the part of a compose service that concerns the service's configuration.
type composeService struct {
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
}

func compose(t *testing.T) map[string]composeService {
	t.Helper()
	text, err := os.ReadFile("../../deploy/compose.yaml")
	require.NoError(t, err)
	var file struct {
		Services map[string]composeService `yaml:"services"`
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	require.NotEmpty(t, file.Services)
	return file.Services
}

// environ gives a service's environment as the container sees it, every ${NAME} being set.
func (s composeService) environ() []string {
	reference := regexp.MustCompile(`\$\{([A-Z_]+)(:[-?][^}]*)?\}`)
	var out []string
	for name, value := range s.Environment {
		value = reference.ReplaceAllStringFunc(value, func(r string) string {
			if _, fallback, ok := strings.Cut(strings.TrimSuffix(r, "}"), ":-"); ok {
				return fallback
			}
			return "0123456789abcdef"
		})
		out = append(out, name+"="+value)
	}
	return out
}

func TestCompose_ItsServicesStartWithWhatItGivesThem(t *testing.T) {
	t.Parallel()
	services := compose(t)
	for name, purposes := range map[string][]config.Purpose{
		"migrate":  {config.ForMigrating},
		"holdfast": {config.ForServing, config.ForMessaging},
	} {
		service, ok := services[name]
		require.True(t, ok, name)
		c, err := config.Load(service.environ(), purposes...)
		require.NoError(t, err, name)
		require.False(t, c.Dev(), "compose shows the shape of production")
	}
}

func TestDeploy_EveryVariableItNamesExists(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, v := range config.Variables() {
		known[v.Name] = true
	}
	name := regexp.MustCompile(`\bHOLDFAST_[A-Z0-9_]+\b`)
	var files []string
	for _, pattern := range []string{"../../*.md", "../../Makefile", "../../deploy/*", "../../deploy/*/*", "../../.ci/*"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		files = append(files, found...)
	}
	require.Contains(t, files, "../../deploy/Dockerfile")
	for _, path := range files {
		text, err := os.ReadFile(path)
		if errors.Is(err, syscall.EISDIR) {
			continue
		}
		require.NoError(t, err)
		for _, found := range name.FindAllString(string(text), -1) {
			ours := known[found] || strings.HasPrefix(found, "HOLDFAST_TEST_") || strings.HasSuffix(found, "_") // HOLDFAST_SMTP_…
			require.True(t, ours, "%s names %s, which does not exist", path, found)
		}
	}
}
