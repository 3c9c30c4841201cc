// A MongoDB-protocol server for machines without a mongod: FerretDB, storing in SQLite.
//
// FerretDB's own command refuses to start when it is built as a dependency, and its embeddable package
// leaves out authentication. So its parts are put together here, as that package does it; the name of this
// module is what makes Go take it for one of FerretDB's own and let it import them.
//
// Arguments: address to listen on, folder to store in (must exist). From the environment, all optional:
// MONGODB_TLS_CERT_FILE and MONGODB_TLS_KEY_FILE (then there is no way in without TLS), MONGODB_TLS_CA_FILE
// (then clients need a certificate of this CA), MONGODB_USERNAME and MONGODB_PASSWORD_FILE (then clients have to
// be this user, by SCRAM).
package main

import (
	"context"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/FerretDB/FerretDB/build/version"
	"github.com/FerretDB/FerretDB/internal/clientconn"
	"github.com/FerretDB/FerretDB/internal/clientconn/connmetrics"
	"github.com/FerretDB/FerretDB/internal/handler/registry"
	"github.com/FerretDB/FerretDB/internal/util/password"
	"github.com/FerretDB/FerretDB/internal/util/state"
)

func main() {
	slog.SetLogLoggerLevel(slog.LevelWarn)
	if err := serve(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func serve(address, folder string) error {
	version.Get().Package = "embedded"
	provider, err := state.NewProvider("")
	if err != nil {
		return err
	}
	if err := provider.Update(func(s *state.State) {
		s.DisableTelemetry()
		s.TelemetryLocked = true
	}); err != nil {
		return err
	}

	metrics := connmetrics.NewListenerMetrics()
	options := &registry.NewHandlerOpts{
		Logger:        slog.Default(),
		ConnMetrics:   metrics.ConnMetrics,
		StateProvider: provider,
		TCPHost:       address,
		SQLiteURL:     "file:" + filepath.ToSlash(folder) + "/",
		TestOpts:      registry.TestOpts{CappedCleanupPercentage: 10, BatchSize: 100},
	}
	if user := os.Getenv("MONGODB_USERNAME"); user != "" {
		secret, err := os.ReadFile(os.Getenv("MONGODB_PASSWORD_FILE"))
		if err != nil {
			return err
		}
		options.EnableNewAuth = true
		// The user is made together with this database, so at the first start.
		options.SetupDatabase = "admin"
		options.SetupUsername = user
		options.SetupPassword = password.WrapPassword(strings.TrimRight(string(secret), "\r\n"))
		options.SetupTimeout = 10 * time.Second
	}
	handler, closeBackend, err := registry.NewHandler("sqlite", options)
	if closeBackend != nil {
		defer closeBackend()
	}
	if err != nil {
		return err
	}

	listen := &clientconn.NewListenerOpts{
		TCP:     address,
		Mode:    clientconn.NormalMode,
		Metrics: metrics,
		Handler: handler,
		Logger:  slog.Default(),
	}
	if certificate := os.Getenv("MONGODB_TLS_CERT_FILE"); certificate != "" {
		listen.TCP, listen.TLS = "", address
		listen.TLSCertFile = certificate
		listen.TLSKeyFile = os.Getenv("MONGODB_TLS_KEY_FILE")
		listen.TLSCAFile = os.Getenv("MONGODB_TLS_CA_FILE")
	}
	listener, err := clientconn.Listen(listen)
	if err != nil {
		return err
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	go indexLookUps(ctx, folder)
	listener.Run(ctx)
	return nil
}
