module github.com/altamga/altamga

go 1.26.0

require (
	github.com/BurntSushi/toml v1.6.0 // configuration, plans and profiles
	github.com/alecthomas/kong v1.17.0 // the command line
	github.com/digitorus/timestamp v0.0.0-20231217203849-220c5c2851b7 // the tour's time-stamping client; an oracle in tests
	github.com/jackc/pgx/v5 v5.12.0 // the register on PostgreSQL
	github.com/miekg/pkcs11 v1.1.2 // keys on tokens; cgo builds only
	github.com/prometheus/client_golang v1.25.0 // metrics
	github.com/redis/go-redis/v9 v9.23.0 // ocsp/rediscache
	github.com/rogpeppe/go-internal v1.16.0 // tests: stories of the binary
	github.com/zmap/zcrypto v0.0.0-20230310154051-c8b263fd8300 // zlint's certificate type
	github.com/zmap/zlint/v3 v3.5.0 // lints before signing
	golang.org/x/crypto v0.58.0 // cryptobyte; the OCSP client of the tour and of tests
	golang.org/x/mod v0.42.0 // Merkle tree and signed notes of the audit log
	modernc.org/sqlite v1.60.1 // the embedded register, without cgo
)

require (
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/digitorus/pkcs7 v0.0.0-20230713084857-e76b763bdc49 // indirect
	github.com/dustin/go-humanize v1.1.0 // indirect
	github.com/google/pprof v0.0.0-20260906184651-6331bc6350fe // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/ncruces/go-strftime v1.1.0 // indirect
	github.com/pelletier/go-toml v1.9.3 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	github.com/weppos/publicsuffix-go v0.30.0 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	golang.org/x/exp/typeparams v0.0.0-20231108232855-2478ac86f678 // indirect
	golang.org/x/net v0.61.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/tools v0.52.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
	honnef.co/go/tools v0.8.2 // indirect
	modernc.org/libc v1.79.0 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
)

// make staticcheck
tool honnef.co/go/tools/cmd/staticcheck
