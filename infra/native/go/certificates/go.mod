module sagascope/certificates

go 1.24.0
